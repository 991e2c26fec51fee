-- A database and two roles with the least rights: psql < postgresql.sql, as a superuser.
-- Then give both a password: \password aurapos_owner, \password aurapos.

-- Makes and changes the tables: for `init`, `migrate` and `copy-from` alone.
CREATE ROLE aurapos_owner LOGIN;
-- Reads and writes rows: for the worker, the UI, sshd and every other command.
CREATE ROLE aurapos LOGIN;

CREATE DATABASE aurapos OWNER aurapos_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE aurapos FROM PUBLIC;
GRANT CONNECT ON DATABASE aurapos TO aurapos;

\connect aurapos
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO aurapos_owner;
GRANT USAGE ON SCHEMA public TO aurapos;
ALTER DEFAULT PRIVILEGES FOR ROLE aurapos_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO aurapos;
ALTER DEFAULT PRIVILEGES FOR ROLE aurapos_owner IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO aurapos;

from tui.cli.main import main

main(prog_name="aurapos-webhooks")

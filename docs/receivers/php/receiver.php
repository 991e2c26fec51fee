<?php
/* A receiver of AuraPOS webhooks that needs PHP 8.1 or later and nothing else.

   Put this folder where your web server runs PHP, give AuraPOS the address of receiver.php, and have
   cron do the work, every minute: php /…/receiver.php work (with PHP-FPM it is done at once as well,
   after the answer). The settings are in config.php beside this file, or in the environment:
   <?php putenv('AURAPOS_SECRET=whsec_…'); putenv('AURAPOS_FOLDER=/…'); putenv('AURAPOS_HANDLER=slack');

   A delivery is verified, kept as a file and answered; the work is done after that, in the order in
   which things happened. Killed at any moment, it goes on where it was. In AURAPOS_FOLDER, which
   must be outside of what the web server shows, there are
     inbox/    what has arrived and is still to be done
     done/     what was done: the names are the ids that are remembered
     failed/   what was given up; move it back into inbox/ to have it tried once more
     latest/   the newest change that was seen of each customer, ticket, product … */

declare(strict_types=1);

is_file(__DIR__ . '/config.php') && require __DIR__ . '/config.php';
set_error_handler(fn (int $level, string $text) => error_reporting() & $level && throw new RuntimeException($text));
const DAY = 24 * 3600; // seconds
const PERMANENT = [400, 404, 409, 410, 422]; // the same request would get the same answer again
define('FOLDER', getenv('AURAPOS_FOLDER') ?: throw new RuntimeException('AURAPOS_FOLDER is not set'));

/** Whether AuraPOS sent exactly these bytes. */
function is_signed(string $body, string $signature): bool
{
    $secret = getenv('AURAPOS_SECRET') ?: random_bytes(32); // with none nobody is believed
    return hash_equals('sha256=' . hash_hmac('sha256', $body, $secret), $signature);
}

/** Have a delivery on the disk, unless it is known. Its id is the body's, which is signed. */
function keep(string $body): void
{
    $delivery = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
    $id = $delivery['delivery_id'] ?? '';
    if (!preg_match('/^[0-9a-f-]{36}$/D', $id)) {
        throw new JsonException('the delivery id is no UUID');
    }
    $is_test = $delivery['event'] === 'ping' || ($delivery['payload']['sample'] ?? false) === true;
    $is_in = fn (string $folder): bool => is_file(FOLDER . "/$folder/$id.json");
    if (!$is_test && !array_filter(['inbox', 'done', 'failed'], $is_in)) {
        write(FOLDER . "/inbox/$id.json", $body);
    }
}

/** On the disk as a whole or not at all. */
function write(string $name, string $data): void
{
    $temporary = "$name." . getmypid() . '.new';
    $file = fopen($temporary, 'wb');
    if (fwrite($file, $data) !== strlen($data) || !fsync($file)) {
        throw new RuntimeException("$name could not be written");
    }
    fclose($file);
    rename($temporary, $name);
}

/** Whether a newer change of the same object was seen. Ids sort in the order of publication. */
function is_late(array $delivery): bool
{
    $payload = $delivery['payload'];
    $name = $payload['id'] ?? $payload['numero'] ?? $payload['reference'] ?? $payload['code'] ?? null;
    $kind = explode('.', $delivery['event'])[0];
    $file = FOLDER . '/latest/' . hash('sha256', "$kind $name");
    if ($name !== null && is_file($file) && file_get_contents($file) > $delivery['delivery_id']) {
        return true;
    }
    write($file, $delivery['delivery_id']);
    return false;
}

/** Do what is in the inbox, oldest first. What fails is tried for a day; what is refused once. */
function work(): void
{
    $lock = fopen(FOLDER . '/lock', 'c');
    flock($lock, LOCK_EX | LOCK_NB) || exit; // the last minute's is still at it
    $handler = require __DIR__ . '/' . basename(getenv('AURAPOS_HANDLER')) . '.php';
    foreach (glob(FOLDER . '/inbox/*.json') as $file) {
        $delivery = json_decode(file_get_contents($file), true);
        $done = FOLDER . '/done/' . basename($file);
        try {
            if (!is_file($done) && ($handler['every_event'] || !is_late($delivery))) {
                $handler['handle']($delivery);
            }
            rename($file, $done);
        } catch (Throwable $problem) {
            error_log("{$delivery['event']} " . basename($file) . ': ' . $problem->getMessage());
            if ($problem->getCode() === 429) {
                return; // it asked for a pause
            }
            if (in_array($problem->getCode(), PERMANENT) || time() - filemtime($file) > DAY) {
                rename($file, FOLDER . '/failed/' . basename($file));
            }
        }
    }
    if (date('Hi') === '0400') { // what is so old AuraPOS does not send again
        $files = [...glob(FOLDER . '/done/*'), ...glob(FOLDER . '/latest/*')];
        array_map('unlink', array_filter($files, fn ($file) => time() - filemtime($file) > 100 * DAY));
    }
}

/** Ask a service: what it answered, read as JSON where it is. Anything but 2xx throws. */
function call(string $method, string $url, ?array $document = null, array $headers = []): mixed
{
    $options = ['method' => $method, 'timeout' => 30, 'ignore_errors' => true, 'follow_location' => 0];
    $options['header'] = ['Content-Type: application/json', ...$headers];
    $options['content'] = $document === null ? '' : json_encode($document, JSON_THROW_ON_ERROR);
    $stream = fopen($url, 'rb', false, stream_context_create(['http' => $options]));
    $text = stream_get_contents($stream);
    $status = (int) explode(' ', stream_get_meta_data($stream)['wrapper_data'][0])[1];
    if ($status < 200 || $status > 299) {
        $told = parse_url($url, PHP_URL_HOST) . " answered $status " . substr($text, 0, 300);
        throw new RuntimeException($told, $status);
    }
    return in_array($text[0] ?? '', ['{', '[']) ? json_decode($text, true) : $text;
}

/** Answer a request. */
function receive(): void
{
    http_response_code(500); // until the delivery is kept: without room on the disk it comes again
    $body = file_get_contents('php://input');
    if (!is_signed($body, $_SERVER['HTTP_X_AURAPOS_SIGNATURE'] ?? '')) {
        http_response_code(401);
        return;
    }
    try {
        keep($body);
        http_response_code(200);
    } catch (JsonException) {
        http_response_code(400); // signed, but no event
    }
}

foreach (['/inbox', '/done', '/failed', '/latest'] as $at) { // another process may just make them
    is_dir(FOLDER . $at) || @mkdir(FOLDER . $at, 0700, true) || is_dir(FOLDER . $at) || throw new Error("no $at");
}
if (PHP_SAPI === 'cli' && ($argv[1] ?? '') === 'bridge') { // the lines of an export arrive here
    array_map('keep', file('php://stdin'));
} elseif (PHP_SAPI === 'cli') {
    work();
} else {
    receive();
    if (function_exists('fastcgi_finish_request')) {
        fastcgi_finish_request();
        work();
    }
}

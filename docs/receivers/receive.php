<?php
/*
 * Takes webhooks of Ujung Tombak. Needs PHP 8.1 or newer, and no package.
 *
 * Put it where your web server runs PHP, and give it two settings:
 *
 *     WEBHOOK_SECRET   whsec_…, as you were shown it when the endpoint was made
 *     INBOX            a folder outside the web root that PHP may write to
 *
 * It checks who sent an event, writes it down, and answers; the work is done afterwards, by whatever reads the folder.
 * So it is quick, and nothing is lost if the machine stops halfway. To try it: php -S 127.0.0.1:8080 receive.php
 */

declare(strict_types=1);

const TOLERANCE_SECONDS = 5 * 60;
const BODY_BYTES = 64 * 1024;

/**
 * Whether somebody who knows the secret signed exactly this, within the last five minutes.
 *
 * $body is what came, byte for byte: never JSON that was read and written again.
 */
function is_genuine(string $secret, string $event_id, string $timestamp, string $signatures, string $body): bool
{
    if (!preg_match('/^[0-9]{1,12}$/D', $timestamp) || abs(time() - (int) $timestamp) > TOLERANCE_SECONDS) {
        return false;
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
    if ($key === false || $key === '') {
        throw new RuntimeException('WEBHOOK_SECRET is not set, or not a secret.');
    }
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$event_id.$timestamp.$body", $key, true));
    $fits = false;
    foreach (explode(' ', $signatures) as $each) {  // several stand there while a secret is exchanged
        $fits = hash_equals($expected, $each) || $fits;  // takes as long for a near miss as for any other
    }
    return $fits;
}

/** Keeps the event once, under its id; false where it is here already, because it came before. */
function write_down(string $inbox, string $event_id, string $body): bool
{
    $draft = "$inbox/$event_id." . bin2hex(random_bytes(8)) . '.draft';
    $file = fopen($draft, 'xb');
    if ($file === false || fwrite($file, $body) !== strlen($body) || !fsync($file) || !fclose($file)) {
        throw new RuntimeException('The event could not be written down.');
    }
    $is_new = @link($draft, "$inbox/$event_id.json");  // of two at once, one succeeds
    unlink($draft);
    if (!$is_new && !is_file("$inbox/$event_id.json")) {
        throw new RuntimeException('The event could not be written down.');
    }
    return $is_new;
}

function receive(): int
{
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        return 405;
    }
    $body = file_get_contents('php://input', length: BODY_BYTES + 1);
    if ($body === false || strlen($body) > BODY_BYTES) {
        return 413;
    }
    $event_id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    $signatures = $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '';
    $secret = getenv('WEBHOOK_SECRET') ?: '';
    if (
        !preg_match('/^[0-9a-f-]{36}$/D', $event_id)
        || !is_genuine($secret, $event_id, $timestamp, $signatures, $body)
    ) {
        return 401;
    }
    $is_new = write_down(getenv('INBOX') ?: 'inbox', $event_id, $body);
    error_log($event_id . ($is_new ? ' is new' : ' was here already'));
    return 204;
}

try {
    http_response_code(receive());
} catch (Throwable $problem) {
    error_log($problem->getMessage());
    http_response_code(500);  // it will be sent again
}

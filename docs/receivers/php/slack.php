<?php
/* A message in Slack for each ticket and each new customer.

   SLACK_URL is the address that Slack gives you: https://hooks.slack.com/services/…
   Slack answers 200 `ok`, and 400 `no_text` or `invalid_payload` to what it does not understand:
   https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
   It has no means to recognise a message that comes again: if this receiver is killed between Slack's
   answer and its own note of it, that one message is there twice. */

declare(strict_types=1);

function told(string $event, array $payload): ?string
{
    if ($event === 'client.created') {
        return 'New customer: ' . ($payload['prenom'] ?? '') . ' ' . ($payload['nom'] ?? '');
    }
    if ($event !== 'ticket.created' && $event !== 'ticket.cancelled') {
        return null;
    }
    $what = $event === 'ticket.created' ? 'Ticket' : 'Cancelled: ticket';
    $amount = number_format((float) $payload['total_tvac'], 2, '.', '') . ' €';
    $parts = ["$what {$payload['numero']}", $amount, $payload['mode_paiement'] ?? ''];
    return implode(' · ', array_filter($parts));
}

return [
    'every_event' => true, // a message tells what happened: an older one may come after a newer one
    'handle' => function (array $delivery): void {
        $text = told($delivery['event'], $delivery['payload']);
        if ($text !== null) {
            // What customers wrote mentions nobody and links to nothing.
            $harmless = str_replace(['&', '<', '>'], ['&amp;', '&lt;', '&gt;'], $text);
            call('POST', getenv('SLACK_URL'), ['text' => $harmless, 'mrkdwn' => false]);
        }
    },
];

<?php
/* Each ticket in the books once, and the totals of each day for a dashboard.

   In BOOKS_FOLDER there are books.ndjson, a line for each change of a ticket, of which the last one
   counts, and daily_totals.csv. A day is the shop's own: SHOP_TIMEZONE. What could not be delivered
   during the week is fetched once a week, and booked once too:

     ssh aurapos@till export --since 8d --undelivered 3 | php receiver.php bridge */

declare(strict_types=1);

/** What is booked already: by number, the newest row of each. */
function booked($books): array
{
    [$rows, $whole] = [[], 0];
    while (($line = fgets($books)) !== false && str_ends_with($line, "\n")) {
        $row = json_decode($line, true);
        $rows[$row['numero']] = $row;
        $whole = ftell($books);
    }
    ftruncate($books, $whole); // a last line that was cut short was never told to anybody
    fseek($books, $whole);
    return $rows;
}

function row(array $delivery): array
{
    $ticket = $delivery['payload'];
    return [
        'numero' => $ticket['numero'],
        'day' => day($ticket['date'] ?? $delivery['created_at']),
        'cents' => (int) round($ticket['total_tvac'] * 100),
        'payment' => $ticket['mode_paiement'] ?? null,
        'cancelled' => $delivery['event'] === 'ticket.cancelled',
        'delivery_id' => $delivery['delivery_id'],
    ];
}

/** A time without a zone is the shop's own. */
function day(string $moment): string
{
    $zone = new DateTimeZone(getenv('SHOP_TIMEZONE') ?: 'Europe/Brussels');
    return (new DateTimeImmutable($moment, $zone))->setTimezone($zone)->format('Y-m-d');
}

/** The CSV is replaced as a whole: whoever reads it never sees half of it. */
function tell(array $rows, string $name): void
{
    $days = [];
    foreach ($rows as $row) {
        if (!$row['cancelled']) {
            [$count, $cents] = $days[$row['day']] ?? [0, 0];
            $days[$row['day']] = [$count + 1, $cents + $row['cents']];
        }
    }
    ksort($days);
    $text = "day,tickets,total_tvac\n";
    foreach ($days as $day => [$count, $cents]) {
        $text .= "$day,$count," . number_format($cents / 100, 2, '.', '') . "\n";
    }
    file_put_contents("$name.new", $text);
    rename("$name.new", $name);
}

return [
    'every_event' => false, // of each ticket the newest change says whether it counts
    'handle' => function (array $delivery): void {
        if (!str_starts_with($delivery['event'], 'ticket.')) {
            return;
        }
        $folder = getenv('BOOKS_FOLDER') ?: FOLDER;
        is_dir($folder) || mkdir($folder, 0700, true);
        $row = row($delivery);
        $books = fopen("$folder/books.ndjson", 'c+b');
        $rows = booked($books);
        $before = $rows[$row['numero']] ?? ['delivery_id' => '', 'day' => $row['day']];
        if ($before['delivery_id'] < $row['delivery_id']) {
            $row['day'] = $before['day'];
            fwrite($books, json_encode($row, JSON_THROW_ON_ERROR) . "\n");
            fsync($books);
            $rows[$row['numero']] = $row;
        }
        tell($rows, "$folder/daily_totals.csv");
    },
];

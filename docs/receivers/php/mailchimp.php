<?php
/* Each customer as a member of a Mailchimp audience: added if new there, else brought up to date.

   MAILCHIMP_API_KEY ends in its data centre (…-us6), MAILCHIMP_LIST_ID is the audience's id.
   Mailchimp knows a member by the MD5 of the address in small letters and answers 200 either way:
   https://mailchimp.com/developer/marketing/api/list-members/add-or-update-list-member/
   A new one is `pending`: Mailchimp asks by mail whether they want to be written to. */

declare(strict_types=1);

return [
    'every_event' => false, // of each customer the newest change is enough
    'handle' => function (array $delivery): void {
        $client = $delivery['payload'];
        if (!str_starts_with($delivery['event'], 'client.') || empty($client['email'])) {
            return;
        }
        $key = getenv('MAILCHIMP_API_KEY');
        $centre = substr(strrchr($key, '-'), 1);
        $api = getenv('MAILCHIMP_URL') ?: "https://$centre.api.mailchimp.com";
        $member = md5(strtolower($client['email']));
        $document = [
            'email_address' => $client['email'],
            'status_if_new' => 'pending',
            'merge_fields' => ['FNAME' => $client['prenom'] ?? '', 'LNAME' => $client['nom'] ?? ''],
        ];
        $url = "$api/3.0/lists/" . getenv('MAILCHIMP_LIST_ID') . "/members/$member";
        call('PUT', $url, $document, ['Authorization: Basic ' . base64_encode("any:$key")]);
    },
];

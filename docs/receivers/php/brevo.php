<?php
/* Each customer as a contact in Brevo: made if the address is new there, else brought up to date.

   BREVO_API_KEY is the account's key, BREVO_LIST_ID the number of the list they are put on.
   Brevo answers 201 with an id to what is new, 204 to an update:
   https://developers.brevo.com/reference/createcontact
   Put on a list only those who agreed to be written to. */

declare(strict_types=1);

return [
    'every_event' => false, // of each customer the newest change is enough
    'handle' => function (array $delivery): void {
        $client = $delivery['payload'];
        if (!str_starts_with($delivery['event'], 'client.') || empty($client['email'])) {
            return;
        }
        $contact = [
            'email' => $client['email'],
            // An account that was made in French calls these PRENOM and NOM.
            'attributes' => ['FIRSTNAME' => $client['prenom'] ?? '', 'LASTNAME' => $client['nom'] ?? ''],
            'listIds' => [(int) getenv('BREVO_LIST_ID')],
            'updateEnabled' => true,
        ];
        $url = (getenv('BREVO_URL') ?: 'https://api.brevo.com') . '/v3/contacts';
        call('POST', $url, $contact, ['api-key: ' . getenv('BREVO_API_KEY')]);
    },
];

<?php
/* A product that changed in AuraPOS, changed in a Shopify shop too.

   AURAPOS_API_KEY (ak_…, scope read:catalogue) is made in AuraPOS under Settings › API, and good for
   60 requests a minute: https://aurapos.be/en/docs/api-publique. SHOPIFY_SHOP is the shop's name
   (chez-marie.myshopify.com), SHOPIFY_TOKEN the Admin API token of an app with the scope
   write_products. `productSet` makes the product with the handle `aurapos-` and its id, or brings it
   up to date: https://shopify.dev/docs/api/admin-graphql/latest/mutations/productSet
   It is meant for products that are sold in one variant: others lose what is not named here. */

declare(strict_types=1);

const SET = 'mutation ($handle: String!, $input: ProductSetInput!) {
  productSet(identifier: {handle: $handle}, input: $input, synchronous: true) {
    userErrors { field message }
  }
}';

/** The product as it is now, which may be newer than the delivery. */
function pulled(int|string $id): array
{
    $api = getenv('AURAPOS_API') ?: 'https://mon.aurapos.be';
    $url = $api . '/api/v1/produits/' . rawurlencode((string) $id);
    return call('GET', $url, null, ['X-API-Key: ' . getenv('AURAPOS_API_KEY')]);
}

return [
    'every_event' => false, // what is pulled is the newest anyway
    'handle' => function (array $delivery): void {
        if ($delivery['event'] !== 'produit.updated') {
            return;
        }
        $product = pulled($delivery['payload']['id']);
        $name = "aurapos-{$product['id']}";
        $input = [
            'handle' => $name,
            'title' => $product['nom'],
            'productOptions' => [['name' => 'Title', 'values' => [['name' => 'Default Title']]]],
            'variants' => [[
                'optionValues' => [['optionName' => 'Title', 'name' => 'Default Title']],
                'sku' => $name,
                'price' => number_format((float) $product['prix_tvac'], 2, '.', ''),
            ]],
        ];
        $answer = call(
            'POST',
            (getenv('SHOPIFY_URL') ?: 'https://' . getenv('SHOPIFY_SHOP')) . '/admin/api/2025-10/graphql.json',
            ['query' => SET, 'variables' => ['handle' => $name, 'input' => $input]],
            ['X-Shopify-Access-Token: ' . getenv('SHOPIFY_TOKEN')],
        );
        if (isset($answer['errors'])) { // too much at once, say: it is tried again
            throw new RuntimeException(json_encode($answer['errors']));
        }
        if ($answer['data']['productSet']['userErrors']) {
            throw new RuntimeException(json_encode($answer['data']['productSet']['userErrors']), 422);
        }
    },
];

<?php
/* A product that changed in AuraPOS, changed in a WooCommerce shop too.

   AURAPOS_API_KEY (ak_…, scope read:catalogue) is made in AuraPOS under Settings › API, and good for
   60 requests a minute: https://aurapos.be/en/docs/api-publique. SHOP_URL, SHOP_KEY and SHOP_SECRET are
   the shop's. A product of the shop is found by its SKU, `aurapos-` and the product's id; an empty
   list says that it is new there: https://woocommerce.github.io/woocommerce-rest-api-docs/#products */

declare(strict_types=1);

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
        $sku = "aurapos-{$product['id']}";
        $price = number_format((float) $product['prix_tvac'], 2, '.', '');
        $shown = ['sku' => $sku, 'name' => $product['nom'], 'regular_price' => $price];
        $products = getenv('SHOP_URL') . '/wp-json/wc/v3/products';
        $login = base64_encode(getenv('SHOP_KEY') . ':' . getenv('SHOP_SECRET'));
        $headers = ["Authorization: Basic $login"];
        $found = call('GET', "$products?sku=" . rawurlencode($sku), null, $headers);
        if ($found) {
            call('PUT', "$products/{$found[0]['id']}", $shown, $headers);
        } else {
            call('POST', $products, $shown, $headers);
        }
    },
];

/* A product that changed in AuraPOS, changed in a Shopify shop too.

   AURAPOS_API_KEY (ak_…, scope read:catalogue) is made in AuraPOS under Settings › API, and good for
   60 requests a minute: https://aurapos.be/en/docs/api-publique. SHOPIFY_SHOP is the shop's name
   (chez-marie.myshopify.com), SHOPIFY_TOKEN the Admin API token of an app with the scope
   write_products. `productSet` makes the product with the handle `aurapos-` and its id, or brings it
   up to date: https://shopify.dev/docs/api/admin-graphql/latest/mutations/productSet
   It is meant for products that are sold in one variant: others lose what is not named here. */

"use strict";

const SET = `mutation ($handle: String!, $input: ProductSetInput!) {
  productSet(identifier: {handle: $handle}, input: $input, synchronous: true) {
    userErrors { field message }
  }
}`;

exports.everyEvent = false; // what is pulled is the newest anyway

exports.handle = async ({ event, payload }, call) => {
  if (event !== "produit.updated") return;
  const product = await pulled(payload.id, call);
  const handle = `aurapos-${product.id}`;
  const optionValues = [{ optionName: "Title", name: "Default Title" }];
  const input = {
    handle,
    title: product.nom,
    productOptions: [{ name: "Title", values: [{ name: "Default Title" }] }],
    variants: [{ optionValues, sku: handle, price: Number(product.prix_tvac).toFixed(2) }],
  };
  const { SHOPIFY_SHOP, SHOPIFY_TOKEN, SHOPIFY_URL } = process.env;
  const url = `${SHOPIFY_URL || `https://${SHOPIFY_SHOP}`}/admin/api/2025-10/graphql.json`;
  const document = { query: SET, variables: { handle, input } };
  const answer = await call("POST", url, document, { "X-Shopify-Access-Token": SHOPIFY_TOKEN });
  if (answer.errors) throw new Error(JSON.stringify(answer.errors)); // too much at once, say
  const refused = answer.data.productSet.userErrors;
  if (refused.length) throw Object.assign(new Error(JSON.stringify(refused)), { status: 422 });
};

/** The product as it is now, which may be newer than the delivery. */
function pulled(id, call) {
  const api = process.env.AURAPOS_API || "https://mon.aurapos.be";
  const url = `${api}/api/v1/produits/${encodeURIComponent(id)}`;
  return call("GET", url, undefined, { "X-API-Key": process.env.AURAPOS_API_KEY });
}

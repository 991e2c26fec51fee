/* A product that changed in AuraPOS, changed in a WooCommerce shop too.

   AURAPOS_API_KEY (ak_…, scope read:catalogue) is made in AuraPOS under Settings › API, and good for
   60 requests a minute: https://aurapos.be/en/docs/api-publique. SHOP_URL, SHOP_KEY and SHOP_SECRET are
   the shop's. A product of the shop is found by its SKU, `aurapos-` and the product's id; an empty
   list says that it is new there: https://woocommerce.github.io/woocommerce-rest-api-docs/#products */

"use strict";

exports.everyEvent = false; // what is pulled is the newest anyway

exports.handle = async ({ event, payload }, call) => {
  if (event !== "produit.updated") return;
  const product = await pulled(payload.id, call);
  const sku = `aurapos-${product.id}`;
  const shown = { sku, name: product.nom, regular_price: Number(product.prix_tvac).toFixed(2) };
  const { SHOP_URL, SHOP_KEY, SHOP_SECRET } = process.env;
  const products = `${SHOP_URL}/wp-json/wc/v3/products`;
  const login = Buffer.from(`${SHOP_KEY}:${SHOP_SECRET}`).toString("base64");
  const headers = { Authorization: `Basic ${login}` };
  const found = await call("GET", `${products}?sku=${encodeURIComponent(sku)}`, undefined, headers);
  if (found.length) await call("PUT", `${products}/${found[0].id}`, shown, headers);
  else await call("POST", products, shown, headers);
};

/** The product as it is now, which may be newer than the delivery. */
function pulled(id, call) {
  const api = process.env.AURAPOS_API || "https://mon.aurapos.be";
  const url = `${api}/api/v1/produits/${encodeURIComponent(id)}`;
  return call("GET", url, undefined, { "X-API-Key": process.env.AURAPOS_API_KEY });
}

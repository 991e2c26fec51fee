"""A product that changed in AuraPOS, changed in a Shopify shop too.

AURAPOS_API_KEY (ak_…, scope read:catalogue) is made in AuraPOS under Settings › API, and good for
60 requests a minute: https://aurapos.be/en/docs/api-publique. SHOPIFY_SHOP is the shop's name
(chez-marie.myshopify.com), SHOPIFY_TOKEN the Admin API token of an app with the scope
write_products. `productSet` makes the product with the handle `aurapos-` and its id, or brings it
up to date: https://shopify.dev/docs/api/admin-graphql/latest/mutations/productSet
It is meant for products that are sold in one variant: others lose what is not named here.
"""

import os
from urllib.parse import quote

EVERY_EVENT = False  # what is pulled is the newest anyway
SET = """mutation ($handle: String!, $input: ProductSetInput!) {
  productSet(identifier: {handle: $handle}, input: $input, synchronous: true) {
    userErrors { field message }
  }
}"""


def handle(delivery, call):
    if delivery["event"] != "produit.updated":
        return
    product = pulled(delivery["payload"]["id"], call)
    name = f"aurapos-{product['id']}"
    only = {"optionValues": [{"optionName": "Title", "name": "Default Title"}], "sku": name}
    shown = {
        "handle": name,
        "title": product["nom"],
        "productOptions": [{"name": "Title", "values": [{"name": "Default Title"}]}],
        "variants": [only | {"price": f"{product['prix_tvac']:.2f}"}],
    }
    answer = call(
        "POST",
        os.environ.get("SHOPIFY_URL", f"https://{os.environ['SHOPIFY_SHOP']}")
        + "/admin/api/2025-10/graphql.json",
        {"query": SET, "variables": {"handle": name, "input": shown}},
        {"X-Shopify-Access-Token": os.environ["SHOPIFY_TOKEN"]},
    )
    if "errors" in answer:  # too much at once, say: it is tried again
        raise OSError(answer["errors"])
    refused = answer["data"]["productSet"]["userErrors"]
    if refused:
        raise ValueError(refused)


def pulled(product_id, call):
    """The product as it is now, which may be newer than the delivery."""
    api = os.environ.get("AURAPOS_API", "https://mon.aurapos.be")
    url = f"{api}/api/v1/produits/{quote(str(product_id), safe='')}"
    return call("GET", url, headers={"X-API-Key": os.environ["AURAPOS_API_KEY"]})

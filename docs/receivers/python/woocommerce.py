"""A product that changed in AuraPOS, changed in a WooCommerce shop too.

AURAPOS_API_KEY (ak_…, scope read:catalogue) is made in AuraPOS under Settings › API, and good for
60 requests a minute: https://aurapos.be/en/docs/api-publique. SHOP_URL, SHOP_KEY and SHOP_SECRET
are the shop's. A product of the shop is found by its SKU, `aurapos-` and the product's id; an empty
list says that it is new there: https://woocommerce.github.io/woocommerce-rest-api-docs/#products
"""

import base64
import os
from urllib.parse import quote

EVERY_EVENT = False  # what is pulled is the newest anyway


def handle(delivery, call):
    if delivery["event"] != "produit.updated":
        return
    product = pulled(delivery["payload"]["id"], call)
    sku = f"aurapos-{product['id']}"
    shown = {"sku": sku, "name": product["nom"], "regular_price": f"{product['prix_tvac']:.2f}"}
    products = f"{os.environ['SHOP_URL']}/wp-json/wc/v3/products"
    login = f"{os.environ['SHOP_KEY']}:{os.environ['SHOP_SECRET']}"
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
    found = call("GET", f"{products}?sku={quote(sku)}", headers=headers)
    if found:
        call("PUT", f"{products}/{found[0]['id']}", shown, headers)
    else:
        call("POST", products, shown, headers)


def pulled(product_id, call):
    """The product as it is now, which may be newer than the delivery."""
    api = os.environ.get("AURAPOS_API", "https://mon.aurapos.be")
    url = f"{api}/api/v1/produits/{quote(str(product_id), safe='')}"
    return call("GET", url, headers={"X-API-Key": os.environ["AURAPOS_API_KEY"]})

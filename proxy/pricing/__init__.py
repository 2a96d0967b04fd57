"""What a call costs, by the list prices of genai-prices."""

from proxy.pricing.table import Priced as Priced
from proxy.pricing.table import PricedItem as PricedItem
from proxy.pricing.table import PriceTable as PriceTable

"""What a call costs, by the list prices of genai-prices."""

from proxy.pricing.table import Priced, PricedItem, PriceTable

__all__ = ["PriceTable", "Priced", "PricedItem"]

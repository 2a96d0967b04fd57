"""The built-in fake upstream and the sample traffic; imports nothing from the rest of the product."""

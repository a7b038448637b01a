"""Who can solve what: agencies, the category tree, and the rules that join them."""

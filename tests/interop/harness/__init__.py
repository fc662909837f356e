"""What the tests share: the server under test, far ends, and the programs around them."""

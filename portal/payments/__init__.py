"""Moving money: the gateway port and its adapters."""

"""From a request to who asks: keys, cookies, a proxy's header, share links, this machine's user."""

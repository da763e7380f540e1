"""Who may see and write what: keys, share links, and the viewer a request is made by."""

"""The demo: a consortium for a moment on this machine, with a story that it tells or a town that is left standing."""

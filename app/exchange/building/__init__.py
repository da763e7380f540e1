"""From what other tools' files say to an atlas the browser shows like any other."""

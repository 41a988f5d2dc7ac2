TITLE = "?"
def run(kit): pass

"""What several pages share: the store, boxes and charts. No page lives here."""

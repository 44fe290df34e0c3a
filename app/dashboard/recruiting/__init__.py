"""Pages on which a study is put on a marketplace, its people are reviewed, and they are paid."""

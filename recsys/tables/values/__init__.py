"""Values of a shop's tables: ids, numbers, money, points in time and words, as shops write them and as they are read."""

-- Nobody ever asked a node at its address: nodes meet in the store.
ALTER TABLE nodes DROP COLUMN address;

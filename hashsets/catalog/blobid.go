package catalog

// A blobID is the number that stands for a name in the tables. It never
// changes and is never given away.
type blobID struct {
	name string
	id   int64
}

// blobIDs looks up the numbers of names within one transaction. Verbs mostly
// ask in the order of names, and a range of the index is read in a third of the
// time that it takes to find each name in it; so while the order holds it reads
// ahead, twice as far each time.
type blobIDs struct {
	last  blobID
	ahead []blobID // the names after the last one that were read ahead
	reach int      // how many to read the next time
}

const furthestReach = 128

// of returns the number of name; 0 when it has none.
func (b *blobIDs) of(c *conn, name string) (int64, error) {
	if b.last.id != 0 && b.last.name == name {
		return b.last.id, nil
	}
	for len(b.ahead) > 0 && b.ahead[0].name < name {
		b.ahead = b.ahead[1:]
	}
	if len(b.ahead) == 0 || b.ahead[0].name != name {
		if err := b.read(c, name); err != nil {
			return 0, err
		}
	}
	if len(b.ahead) == 0 || b.ahead[0].name != name {
		return 0, nil
	}
	b.last, b.ahead = b.ahead[0], b.ahead[1:]
	return b.last.id, nil
}

// read reads the names from name on.
func (b *blobIDs) read(c *conn, name string) error {
	inOrder := len(b.ahead) == 0 && b.last.name < name
	if inOrder {
		b.reach = min(2*max(b.reach, 1), furthestReach)
	} else {
		b.reach = 1
	}
	b.ahead = b.ahead[:0]
	s := c.prepared(`SELECT id, name FROM blob WHERE name >= ? ORDER BY name LIMIT ?`).argName(name).argInt(int64(b.reach))
	for s.next() {
		b.ahead = append(b.ahead, blobID{id: s.peekInt(), name: s.peekName()})
	}
	return s.end()
}

// remember keeps the number of a name that was just added.
func (b *blobIDs) remember(name string, id int64) { b.last = blobID{name, id} }

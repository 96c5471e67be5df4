package repair

import "bitmend/scrub"

// selects returns which blobs the options ask for.
func (o Options) selects() (selection, error) { return scrub.ParseNames(o.Only) }

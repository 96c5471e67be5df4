package store

// AtStep calls f before each step of putting a replacement in place; an error
// ends it there, as a crash would.
func (d *Directory) AtStep(f func(step string) error) { d.atStep = f }

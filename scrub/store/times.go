package store

import (
	"sync"

	"bitmend/hashsets"
)

// A keeper remembers the times of directories in which replacements are being
// staged. Putting a blob back as it was changes its directory's modification
// time, which a listing of what changed would show; so that time is put back
// too, unless anybody else changed the directory meanwhile.
type keeper struct {
	mu      sync.Mutex
	folders map[inode]*kept
}

type inode struct{ device, number uint64 }

// kept is what is remembered of one directory while anything is staged in it.
type kept struct {
	key   inode
	users int // guarded by keeper.mu

	mu     sync.Mutex
	before folderTimes // when the first of ours had not yet changed it
	last   int64       // modification time after the last change of ours
	lost   bool        // whether the times must stay: somebody else changed it, or they are not known
}

// hold begins to remember the times of f.
func (k *keeper) hold(f folder) *kept {
	self, err := f.lookSelf()
	key := inodeOf(self.Identity)
	k.mu.Lock()
	defer k.mu.Unlock()
	if one, ok := k.folders[key]; ok && err == nil {
		one.users++
		return one
	}
	one := &kept{key: key, users: 1, last: self.Identity.ModTime, lost: err != nil}
	if one.before, err = f.times(); err != nil {
		one.lost = true
	}
	if k.folders == nil {
		k.folders = make(map[inode]*kept)
	}
	k.folders[key] = one
	return one
}

// release forgets them when nobody holds them any more.
func (k *keeper) release(one *kept) {
	k.mu.Lock()
	defer k.mu.Unlock()
	one.users--
	if one.users == 0 {
		delete(k.folders, one.key)
	}
}

// change does something to the names in f, and notices whether somebody else
// did so before.
func (o *kept) change(f folder, do func() error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if self, err := f.lookSelf(); err != nil || self.Identity.ModTime != o.last {
		o.lost = true
	}
	err := do()
	if self, lookErr := f.lookSelf(); lookErr == nil {
		o.last = self.Identity.ModTime
	} else {
		o.lost = true
	}
	return err
}

// disown lets the directory keep the time of the changes that follow.
func (o *kept) disown() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost = true
}

// restore puts the times back, where that is right and allowed.
func (o *kept) restore(f folder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lost || f.setTimes(o.before) != nil {
		return
	}
	if self, err := f.lookSelf(); err == nil {
		o.last = self.Identity.ModTime
	}
}

func inodeOf(id hashsets.Identity) inode { return inode{id.Device, id.Inode} }

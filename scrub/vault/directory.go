package vault

import (
	"errors"

	"bitmend/scrub/store"
)

func openDirectory(name, root string) (store.Writable, error) {
	return nil, errors.ErrUnsupported
}

func openHome(name, root string) (store.Remover, error) {
	return nil, errors.ErrUnsupported
}

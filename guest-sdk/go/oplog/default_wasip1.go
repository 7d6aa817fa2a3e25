package oplog

import (
	"log"
	"log/slog"

	"cofferdam.dev/op"
)

func init() {
	// The host adds the time.
	log.SetFlags(0)
	slog.SetDefault(slog.New(handler{log: op.Sandbox().Log}))
}

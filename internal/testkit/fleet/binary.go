package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binary returns the whole path of the sous binary given, or builds one in dir with
// the tags when none is: the working directory is that of the project then.
func Binary(ctx context.Context, given, dir string, tags ...string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	path := filepath.Join(dir, "sous")
	build := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", path, "./cmd/sous")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build sous: %w", err)
	}
	return filepath.Abs(path)
}

package browse

import (
	"os"
	"testing"

	"ptabench/page/pagetest"
)

func TestMain(m *testing.M) { os.Exit(pagetest.Main(m)) }

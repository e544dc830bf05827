package autoconfig_test

import (
	"testing"

	"github.com/mailwire/mailwire/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

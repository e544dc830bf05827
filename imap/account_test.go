package imap

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRights(t *testing.T) {
	assert.True(t, Rights("lr09").Valid())
	assert.False(t, Rights("lR").Valid())
	assert.False(t, Rights("l r").Valid())
	assert.True(t, Rights("lrs").Has("sl"))
	assert.False(t, Rights("lrs").Has("sx"))
	assert.True(t, Rights("").Has(""))
	assert.True(t, Rights("lrs").Equal("srl"))
	assert.True(t, Rights("lrsl").Equal("srl"))
	assert.False(t, Rights("lr").Equal("lrs"))
	assert.Equal(t, Rights("lrsx"), Rights("lr").Add("sxr"))
	assert.Equal(t, Rights("ls"), Rights("lrsx").Remove("xr"))
	assert.Equal(t, Rights("lcdkxte"), Rights("lcd").Expand())
	assert.Equal(t, Rights("l"), Rights("l").Expand())
	assert.Equal(t, Rights("lrkc"), Rights("lrk").Obsolete())
	assert.Equal(t, Rights("lrxcd"), Rights("lrx").Obsolete())
	assert.Equal(t, Rights("lrtd"), Rights("lrt").Obsolete())
	assert.Equal(t, Rights("xy"), RightsReplace.Apply("ab", "xyx"))
	assert.Equal(t, Rights("abx"), RightsAdd.Apply("ab", "bx"))
	assert.Equal(t, Rights("a"), RightsRemove.Apply("ab", "bx"))
	assert.True(t, RightsAll.Has(RightLookup+RightRead+RightSeen+RightWrite+RightInsert+RightPost+RightCreate+RightDeleteMailbox+RightDelete+RightExpunge+RightAdminister))
}

func TestQuota(t *testing.T) {
	q := Quota{Resources: []QuotaUsage{{QuotaStorage, 1, 2}, {"message", 3, 4}}}
	u, ok := q.Usage(QuotaMessage)
	assert.True(t, ok)
	assert.Equal(t, int64(3), u.Usage)
	_, ok = q.Usage(QuotaMailbox)
	assert.False(t, ok)
}

func TestValidMetadataName(t *testing.T) {
	for name, want := range map[string]bool{
		"/shared/comment": true, "/PRIVATE/vendor/x/y": true, "/shared": false, "/shared/": false, "/shared/a/": false,
		"/shared/a//b": false, "/other/a": false, "/shared/a*": false, "/shared/%": false, "/shared/é": false, "/shared/a b": false, "": false,
	} {
		assert.Equal(t, want, ValidMetadataName(name), name)
	}
	assert.Equal(t, "METADATA", CodeMetadata{}.CodeName())
}

func TestCapabilityValues(t *testing.T) {
	caps := Capabilities{"quota=res-storage", CapQuotaResource(QuotaMessage), "QUOTA=X", CapRights("texk"), "RIGHTS=n", "APPENDLIMIT=257890", "AUTH=PLAIN", CapQuotaSet}
	assert.Equal(t, []QuotaResource{QuotaStorage, QuotaMessage}, caps.QuotaResources())
	assert.Equal(t, Rights("texkn"), caps.Rights())
	n, ok := caps.Number(CapAppendLimitKey)
	assert.True(t, ok)
	assert.Equal(t, uint64(257890), n)
	assert.Empty(t, Capabilities{"QUOTA", "RIGHTS"}.Rights())
	assert.Empty(t, Capabilities{"QUOTA", "QUOTA=RES-"}.QuotaResources())
}

func TestValidObjectID(t *testing.T) {
	for id, want := range map[string]bool{"": false, "F2212ea87-6097_x": true, "a b": false, "a)": false, "é": false} {
		assert.Equal(t, want, ValidObjectID(id), id)
	}
	assert.True(t, ValidObjectID(strings.Repeat("a", 255)))
	assert.False(t, ValidObjectID(strings.Repeat("a", 256)))
}

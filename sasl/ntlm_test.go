package sasl_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/mailwire/mailwire/sasl"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func utf16le(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// RFC 1320 appendix A.5.
func TestMD4(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "31d6cfe0d16ae931b73c59d7e0c089c0",
		"a":                          "bde52cb31de33e46245e05fbdbd6fb24",
		"abc":                        "a448017aaf21d8525fc10ae87aa6729d",
		"message digest":             "d9130a8164549fe818874806e1c7014b",
		"abcdefghijklmnopqrstuvwxyz": "d79e1c308aa5bbcdeea8ed63df412da9",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789":                   "043f8582f241db351ce627e153e7f0e4",
		"12345678901234567890123456789012345678901234567890123456789012345678901234567890": "e33b4ddc9c38f2199c3e7b164fcc0536",
	} {
		sum := sasl.MD4([]byte(in))
		require.Equal(t, want, hex.EncodeToString(sum[:]), in)
	}
}

// MS-NLMP section 4.2.
func TestNTLMVectors(t *testing.T) {
	server, client := unhex("0123456789abcdef"), unhex("aaaaaaaaaaaaaaaa")
	key := sasl.NTOWFv2("User", "Domain", "Password")
	require.Equal(t, "0c868a403bfd7a93a3001ef22ef02e3f", hex.EncodeToString(key))
	info := unhex("02000c0044006f006d00610069006e0001000c005300650072007600650072000000" + "0000")
	nt, session := sasl.NTLMv2Response(key, server, client, make([]byte, 8), info)
	require.Equal(t, "68cd0ab851e51c96aabc927bebef6a1c", hex.EncodeToString(nt[:16]))
	require.Equal(t, "8de40ccadbc14a82f15cb0ad0de95ca3", hex.EncodeToString(session))

	_, nt = sasl.NTLMv1Response("Password", false, server, client)
	require.Equal(t, "67c43011f30298a2ad35ece64f16331c44bdbed927841f94", hex.EncodeToString(nt))
	lm, nt := sasl.NTLMv1Response("Password", true, server, client)
	require.Equal(t, "aaaaaaaaaaaaaaaa"+"00000000000000000000000000000000", hex.EncodeToString(lm))
	require.Equal(t, "7537f803ae367128ca458204bde7caf81e97ed2683267232", hex.EncodeToString(nt))
}

// challengeOf is a server's message with this target information.
func challengeOf(flags uint32, info []byte) []byte {
	b := append([]byte("NTLMSSP\x00\x02\x00\x00\x00"), make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = append(append(b, unhex("0123456789abcdef")...), make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(info)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(info)))
	b = binary.LittleEndian.AppendUint32(b, 56)
	return append(append(b, make([]byte, 8)...), info...)
}

func av(id uint16, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, id)
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(value))), value...)
}

var (
	stamp         = unhex("0090d336b734c301")
	ntlmChallenge = challengeOf(0x00888205|1<<23, bytes.Join([][]byte{av(2, utf16le("Domain")), av(1, utf16le("Server")), av(7, stamp), av(0, nil)}, nil))
)

func field(msg []byte, at int) []byte {
	n, offset := binary.LittleEndian.Uint16(msg[at:]), binary.LittleEndian.Uint32(msg[at+4:])
	return msg[offset:][:n]
}

func TestNTLM(t *testing.T) {
	c := &sasl.Credentials{User: `Domain\User`, Password: "Password"}
	c.NTLM.Workstation = "COMPUTER"
	c.SetNTLMNonce(unhex("aaaaaaaaaaaaaaaa"))
	m, err := c.Mechanism(t.Context(), "NTLM")
	require.NoError(t, err)
	x, negotiate, err := m.Start(bound)
	require.NoError(t, err)
	require.Equal(t, "NTLMSSP\x00\x01\x00\x00\x00\x05\x82\x88\x00"+string(make([]byte, 16)), string(negotiate))
	msg, err := x.Next(ntlmChallenge)
	require.NoError(t, err)
	require.NoError(t, x.Done())
	require.Equal(t, "NTLMSSP\x00\x03\x00\x00\x00", string(msg[:12]))
	require.Equal(t, make([]byte, 24), field(msg, 12), "no LM response")
	require.Equal(t, utf16le("Domain"), field(msg, 28))
	require.Equal(t, utf16le("User"), field(msg, 36))
	require.Equal(t, utf16le("COMPUTER"), field(msg, 44))
	nt := field(msg, 20)
	key := sasl.NTOWFv2("User", "Domain", "Password")
	proof := hmac.New(md5.New, key)
	proof.Write(unhex("0123456789abcdef"))
	proof.Write(nt[16:])
	require.Equal(t, proof.Sum(nil), nt[:16])
	require.Equal(t, stamp, nt[24:32], "the server's time")
	require.Contains(t, string(nt), string(av(6, []byte{2, 0, 0, 0})), "the flag of the MIC")
	require.Contains(t, string(nt), string(av(9, utf16le("imap/mail.example.org"))))
	require.Contains(t, string(nt), string(unhex("0a001000")), "channel bindings")

	session := hmac.New(md5.New, key)
	session.Write(nt[:16])
	mic := bytes.Clone(msg[72:88])
	copy(msg[72:88], make([]byte, 16))
	want := hmac.New(md5.New, session.Sum(nil))
	want.Write(negotiate)
	want.Write(ntlmChallenge)
	want.Write(msg)
	require.Equal(t, want.Sum(nil), mic)

	_, err = x.Next(ntlmChallenge)
	require.ErrorIs(t, err, sasl.ErrProtocol)
}

// Without the server's time there is no MIC, and the client's own time goes in.
func TestNTLMOld(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		c := &sasl.Credentials{User: "User", Password: "Password"}
		c.NTLM.V1 = v1
		c.NTLM.Domain = "Domain"
		c.SetNTLMNonce(unhex("aaaaaaaaaaaaaaaa"))
		c.SetTime(time.Unix(-11644473600, 0).Add(700))
		m, err := c.Mechanism(t.Context(), "NTLM")
		require.NoError(t, err)
		x, _, err := m.Start(sasl.Line{})
		require.NoError(t, err)
		msg, err := x.Next(challengeOf(1, nil)[:32])
		require.NoError(t, err)
		nt := field(msg, 20)
		if v1 {
			require.Equal(t, "67c43011f30298a2ad35ece64f16331c44bdbed927841f94", hex.EncodeToString(nt))
		} else {
			require.Equal(t, unhex("0700000000000000"), nt[24:32])
		}
		require.Equal(t, utf16le("Domain"), field(msg, 28))
		require.EqualValues(t, 64, binary.LittleEndian.Uint32(msg[16:]), "no MIC")
	}
}

func TestNTLMBadChallenges(t *testing.T) {
	huge := bytes.Clone(ntlmChallenge)
	binary.LittleEndian.PutUint32(huge[44:], 0xffffffff)
	for name, bad := range map[string][]byte{
		"empty": {}, "short": ntlmChallenge[:31], "signature": append([]byte("X"), ntlmChallenge[1:]...),
		"cut": ntlmChallenge[:len(ntlmChallenge)-5], "offset": huge, "not Unicode": challengeOf(2, nil),
		"no end": challengeOf(1|1<<23, av(2, nil)), "a pair that is too long": challengeOf(1|1<<23, []byte{1, 0, 9, 0}),
	} {
		c := &sasl.Credentials{User: "User", Password: "Password"}
		m, err := c.Mechanism(t.Context(), "NTLM")
		require.NoError(t, err)
		x, _, err := m.Start(sasl.Line{})
		require.NoError(t, err)
		_, err = x.Next(bad)
		require.ErrorIs(t, err, sasl.ErrProtocol, name)
		require.ErrorIs(t, x.Done(), sasl.ErrProtocol)
	}
}

"""smtplib, imaplib and poplib against a mail server; exits with 0 when every check holds.

usage: python.py CERT PASSWORD SMTP SUBMISSION SUBMISSIONS LMTP IMAP IMAPS POP3 POP3S (host:port each)
"""
import imaplib
import poplib
import smtplib
import ssl
import sys
import threading
import time

cert, password = sys.argv[1:3]
names = "smtp submission submissions lmtp imap imaps pop3 pop3s".split()
addr = {}
for name, a in zip(names, sys.argv[3:]):
    host, port = a.rsplit(":", 1)
    addr[name] = (host, int(port))
context = ssl.create_default_context(cafile=cert)


def check(ok, what):
    if not ok:
        raise SystemExit("failed: %r" % (what,))


def letter(n):
    return ("From: ada@example.test\r\nTo: bob@example.test\r\nSubject: letter %d\r\n"
            "Message-ID: <%d@example.test>\r\n\r\n.dot\r\nline %d\r\n" % (n, n, n)).encode()


def content(raw):
    """The message without the Return-Path and Received that the server put before it."""
    return raw[raw.index(b"From: ada"):]


# smtplib
with smtplib.SMTP(*addr["submission"]) as c:
    c.ehlo("client.test")
    check(not c.has_extn("auth"), "AUTH offered in the clear")
    c.starttls(context=context)
    c.ehlo("client.test")
    for x in ("auth", "size", "8bitmime", "smtputf8", "pipelining", "enhancedstatuscodes"):
        check(c.has_extn(x), x)
    check(not c.has_extn("starttls"), "STARTTLS within TLS")
    try:
        c.login("ada", "wrong")
        check(False, "wrong password taken")
    except smtplib.SMTPAuthenticationError as e:
        check(e.smtp_code == 535, e)
    c.login("ada", password)
    check(c.sendmail("ada@example.test", ["bob@example.test"], letter(1)) == {}, "sendmail")
    refused = c.sendmail("ada@example.test", ["bob@example.test", "nobody@example.test"], letter(2))
    check(list(refused) == ["nobody@example.test"] and refused["nobody@example.test"][0] == 550, refused)
    check(c.noop()[0] == 250 and c.rset()[0] == 250 and c.verify("bob@example.test")[0] in (250, 252), "noop, rset, vrfy")
with smtplib.SMTP_SSL(*addr["submissions"], context=context) as c:
    c.login("ada@example.test", password)
    c.sendmail("ada@example.test", ["bob@example.test"], letter(3))
with smtplib.LMTP(*addr["lmtp"]) as c:
    # one recipient: smtplib reads one answer, whatever the number
    check(c.sendmail("ada@example.test", ["bob@example.test"], letter(4)) == {}, "lmtp")
with smtplib.SMTP(*addr["smtp"]) as c:
    try:
        c.sendmail("ada@example.test", ["victim@elsewhere.example"], letter(5))
        check(False, "an open relay")
    except smtplib.SMTPRecipientsRefused:
        pass

# imaplib
for tls in (False, True):
    if tls:
        c = imaplib.IMAP4_SSL(*addr["imaps"], ssl_context=context)
    else:
        c = imaplib.IMAP4(*addr["imap"])
        try:
            c.login("bob", password)
            check(False, "login in the clear")
        except imaplib.IMAP4.error:
            pass
        c.starttls(context)
    try:
        c.login("bob", "wrong")
        check(False, "wrong password taken")
    except imaplib.IMAP4.error:
        pass
    check(c.login("bob", password)[0] == "OK", "login")
    for cap in ("IMAP4REV1", "IDLE", "UIDPLUS", "MOVE", "NAMESPACE", "UNSELECT", "SPECIAL-USE", "LITERAL+"):
        check(cap in c.capability()[1][0].decode().upper().split(), cap)
    typ, n = c.select("INBOX")
    check(typ == "OK" and n == [b"4"], n)
    box = "Work-2" if tls else "Work &AOk-1"
    check(c.create('"%s"' % box)[0] == "OK", "create")
    check(c.subscribe('"%s"' % box)[0] == "OK", "subscribe")
    check(any(box.encode() in x for x in c.lsub()[1]), c.lsub())
    check(any(box.encode() in x for x in c.list()[1]), c.list())
    typ, data = c.append('"%s"' % box, r"(\Flagged $Work)", imaplib.Time2Internaldate(1000000000), letter(6))
    check(typ == "OK" and b"APPENDUID" in data[0], data)
    typ, data = c.status('"%s"' % box, "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT)")
    check(typ == "OK" and b"MESSAGES 1 UIDNEXT 2" in data[0], data)
    typ, data = c.fetch("1:*", "(UID FLAGS RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)")
    check(typ == "OK" and len(data) == 4, data)
    bodies = []
    for i in range(1, 5):
        typ, data = c.fetch(str(i), "(BODY.PEEK[])")
        bodies.append(content(data[0][1]))
    check(bodies == [letter(n) for n in (1, 2, 3, 4)], bodies)
    typ, data = c.uid("SEARCH", "CHARSET", "UTF-8", "SUBJECT", '"letter 3"')
    uid = data[0]
    check(typ == "OK" and uid.isdigit(), data)
    typ, data = c.uid("STORE", uid, "+FLAGS", r"(\Seen custom)")
    check(typ == "OK" and b"custom" in data[0] and rb"\Seen" in data[0], data)
    check(c.search(None, "KEYWORD", "custom")[1] == [b"3"], "search keyword")
    check(c.search(None, "NOT", "KEYWORD", "custom", "SUBJECT", "letter")[1] == [b"1 2 4"], "search not")
    typ, data = c.uid("COPY", uid, '"%s"' % box)
    check(typ == "OK" and c.response("COPYUID")[1][0].split()[1] == uid, data)
    check(c.uid("STORE", uid, "-FLAGS.SILENT", "(custom)")[0] == "OK", "store silent")
    typ, data = c.fetch("1", "(BODY.PEEK[]<0.5>)")
    check(data[0][1] == b"Retur", data)
    check(c.unselect()[0] == "OK", "unselect")
    typ, n = c.select('"%s"' % box, readonly=True)
    check(n == [b"2"], n)
    typ, data = c.fetch("1", "(FLAGS INTERNALDATE BODY[])")
    check(data[0][1] == letter(6), data)
    check(rb"\Flagged" in data[0][0] + data[1] and b"$Work" in data[0][0] + data[1], data)
    try:
        typ, _ = c.store("1", "+FLAGS", r"\Seen")
        check(typ == "NO", "store in a mailbox opened by EXAMINE")
    except imaplib.IMAP4.readonly:
        pass
    check(c.select("INBOX")[0] == "OK", "select")
    check(c.rename('"%s"' % box, '"%s"' % (box + "/below"))[0] in ("OK", "NO"), "rename below itself")
    check(c.namespace()[0] == "OK", "namespace")
    check(c.logout()[0] == "BYE", "logout")

# EXISTS reaches a client that waits, when mail is delivered
idle = imaplib.IMAP4_SSL(*addr["imaps"], ssl_context=context)
idle.login("bob", password)
idle.select("INBOX")
idle.send(b"I1 IDLE\r\n")
check(idle.readline().startswith(b"+"), "IDLE")


def deliver():
    with smtplib.SMTP(*addr["smtp"]) as c:
        c.sendmail("ada@example.test", ["bob@example.test"], letter(7))


threading.Thread(target=deliver).start()
idle.sock.settimeout(30)
while True:
    line = idle.readline()
    if line.strip() == b"* 5 EXISTS":
        break
    check(line.startswith(b"* "), line)
idle.send(b"DONE\r\n")
while not idle.readline().startswith(b"I1 OK"):
    pass
idle.logout()

# poplib
p = poplib.POP3(*addr["pop3"])
check("STLS" in p.capa() and "USER" not in p.capa(), p.capa())
p.stls(context=context)
check({"USER", "UIDL", "TOP", "SASL", "PIPELINING", "RESP-CODES"} <= set(p.capa()), p.capa())
p.user("bob")
try:
    p.pass_("wrong")
    check(False, "wrong password taken")
except poplib.error_proto:
    pass
p.user("bob")
p.pass_(password)
count, octets = p.stat()
check(count == 5, count)
listing = [int(x.split()[1]) for x in p.list()[1]]
check(sum(listing) == octets, listing)
for i in range(5):
    resp, lines, size = p.retr(i + 1)
    raw = b"".join(line + b"\r\n" for line in lines)
    check(len(raw) == listing[i], (len(raw), listing[i]))
    check(content(raw) in [letter(n) for n in (1, 2, 3, 4, 7)], raw)
check(len(p.uidl()[1]) == 5, "uidl")
check(b".dot" in p.top(1, 1)[1], "top")
p2 = poplib.POP3_SSL(*addr["pop3s"], context=context)
p2.user("bob")
try:
    p2.pass_(password)
    check(False, "two sessions on one maildrop")
except poplib.error_proto as e:
    check(b"[IN-USE]" in e.args[0], e)
p2.quit()
p.dele(1)
p.rset()
p.dele(2)
p.close()  # without QUIT: nothing is deleted
for _ in range(100):
    p = poplib.POP3_SSL(*addr["pop3s"], context=context)
    p.user("bob")
    try:
        p.pass_(password)
        break
    except poplib.error_proto:
        p.close()
        time.sleep(0.1)
check(p.stat()[0] == 5, "deleted without QUIT")
p.dele(2)
p.quit()
p = poplib.POP3_SSL(*addr["pop3s"], context=context)
p.user("bob@example.test")
p.pass_(password)
check(p.stat()[0] == 4, "not deleted by QUIT")
p.quit()
print("all checks passed")

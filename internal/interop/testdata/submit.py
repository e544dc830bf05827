"""smtplib against an SMTP server: sends messages, the test checks what came.

usage: submit.py CA PASSWORD PORT TLSPORT SMALLPORT, the message on standard input
"""
import smtplib
import ssl
import sys

ca, password, port, tls_port, small_port = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
letter = sys.stdin.buffer.read()
ada, bob = "ada@example.test", ["bob@example.test"]


def check(ok, what):
    if not ok:
        raise SystemExit("failed: %r" % (what,))


def starttls():
    c = smtplib.SMTP("localhost", int(port), local_hostname="client.test")
    c.starttls(context=context)
    c.ehlo()
    return c


def implicit():
    c = smtplib.SMTP_SSL("localhost", int(tls_port), local_hostname="client.test", context=context)
    c.ehlo()
    return c


for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
    for connect in (starttls, implicit):
        with connect() as c:
            c.user, c.password = "ada", password
            method = getattr(c, "auth_" + mechanism.lower().replace("-", "_"))
            check(c.auth(mechanism, method, initial_response_ok=connect is starttls)[0] == 235, mechanism)
            check(c.sendmail(ada, bob, letter, ["BODY=8BITMIME"]) == {}, mechanism)
    with starttls() as c:
        c.user, c.password = "ada", "wrong"
        try:
            c.auth(mechanism, getattr(c, "auth_" + mechanism.lower().replace("-", "_")))
            check(False, "a wrong password")
        except smtplib.SMTPAuthenticationError as e:
            check(e.smtp_code == 535, e)

with starttls() as c:
    check(c.sendmail("jürgen@example.test", ["λ@example.test"], letter, ["SMTPUTF8", "BODY=8BITMIME"]) == {}, "SMTPUTF8")
    check(c.sendmail(ada, bob, letter, ["RET=HDRS", "ENVID=a+2Bb"], ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;b+2Bb@example.test"]) == {}, "DSN")
    refused = c.sendmail(ada, bob + ["nobody@example.test", "full@example.test", "eve@example.test"], letter)
    check({to: r[0] for to, r in refused.items()} == {"nobody@example.test": 550, "full@example.test": 452}, refused)
    try:
        c.sendmail(ada, ["nobody1@example.test", "nobody2@example.test"], letter)
        check(False, "nobody took it")
    except smtplib.SMTPRecipientsRefused as e:
        check(len(e.recipients) == 2, e)
    try:
        c.sendmail(ada, bob, letter, ["X-UNKNOWN=1"])
        check(False, "an unknown parameter")
    except smtplib.SMTPSenderRefused as e:
        check(e.smtp_code == 555, e)
    check(c.sendmail(ada, ["user%04d@example.test" % i for i in range(1000)], letter) == {}, "1000 recipients")

with smtplib.SMTP("localhost", int(small_port)) as c:
    c.ehlo()
    check(c.esmtp_features["size"] == "1000", c.esmtp_features)
    try:
        c.sendmail(ada, bob, letter + b"x" * 1000)
        check(False, "too large")
    except smtplib.SMTPSenderRefused as e:
        check(e.smtp_code == 552, e)
    # one that does not declare its size
    del c.esmtp_features["size"]
    try:
        c.sendmail(ada, bob, letter + b"x" * 1000)
        check(False, "too large")
    except smtplib.SMTPDataError as e:
        check(e.smtp_code == 552, e)
    check(c.sendmail(ada, bob, letter) == {}, "the session goes on")

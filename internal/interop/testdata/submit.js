// nodemailer against an SMTP server: sends messages, the test checks what came.
// usage: node submit.js FOLDER CA PASSWORD TOKEN PORT TLSPORT SMALLPORT LMTPPORT, the message on standard input
const [folder, ca, password, token, port, tlsPort, smallPort, lmtpPort] = process.argv.slice(2);
const fs = require('fs');
const assert = require('assert');
const nodemailer = require(folder + '/node_modules/nodemailer');

const letter = fs.readFileSync(0);
const tls = { ca: fs.readFileSync(ca), servername: 'localhost' };
const envelope = { from: 'ada@example.test', to: ['bob@example.test'], use8BitMime: true };

function transport(port, more) {
	return nodemailer.createTransport({ host: '127.0.0.1', port: Number(port), tls, name: 'client.test', ...more });
}

function login(method, pass) {
	if (method === 'XOAUTH2') {
		return { type: 'OAuth2', user: 'ada', accessToken: pass };
	}
	return { user: 'ada', pass, method };
}

async function main() {
	for (const method of ['PLAIN', 'LOGIN', 'CRAM-MD5', 'XOAUTH2']) {
		const auth = login(method, method === 'XOAUTH2' ? token : password);
		for (const t of [transport(port, { requireTLS: true, auth }), transport(tlsPort, { secure: true, auth })]) {
			const info = await t.sendMail({ envelope, raw: letter });
			assert.deepStrictEqual(info.accepted, ['bob@example.test']);
		}
		const wrong = transport(port, { requireTLS: true, auth: login(method, 'wrong') });
		await assert.rejects(wrong.sendMail({ envelope, raw: letter }), e => e.code === 'EAUTH' && e.responseCode === 535);
	}

	const t = transport(port, { pool: true, maxConnections: 1, requireTLS: true });
	await t.sendMail({ envelope: { from: 'jürgen@example.test', to: ['λ@example.test'], use8BitMime: true }, raw: letter });
	await t.sendMail({
		envelope: { ...envelope, to: ['b+b@example.test'] }, raw: letter,
		dsn: { id: 'a+b', return: 'headers', notify: ['success', 'failure'], recipient: 'b+b@example.test' },
	});
	let info = await t.sendMail({ envelope: { from: 'ada@example.test', to: ['bob@example.test', 'nobody@example.test', 'full@example.test', 'eve@example.test'] }, raw: letter });
	assert.deepStrictEqual(info.rejected, ['nobody@example.test', 'full@example.test']);
	assert.deepStrictEqual(info.rejectedErrors.map(e => e.responseCode), [550, 452]);
	await assert.rejects(t.sendMail({ envelope: { from: 'ada@example.test', to: ['nobody@example.test'] }, raw: letter }), e => e.responseCode === 550);
	const many = [];
	for (let i = 0; i < 1000; i++) {
		many.push('user' + String(i).padStart(4, '0') + '@example.test');
	}
	info = await t.sendMail({ envelope: { from: 'ada@example.test', to: many }, raw: letter });
	assert.strictEqual(info.accepted.length, 1000);
	// A message of its own making, for the server to read.
	await t.sendMail({ from: 'Ada <ada@example.test>', to: 'bob@example.test', subject: 'Größe', text: '.dot\n'.repeat(10000), attachments: [{ filename: 'ß.txt', content: 'attached' }] });
	t.close();

	const small = transport(smallPort, { ignoreTLS: true });
	const body = Buffer.concat([letter, Buffer.alloc(1000, 'x')]);
	await assert.rejects(small.sendMail({ envelope: { ...envelope, size: body.length }, raw: body }), /larger than allowed 1000/);
	await assert.rejects(small.sendMail({ envelope, raw: body }), e => e.responseCode === 552);

	const lmtp = transport(lmtpPort, { lmtp: true, ignoreTLS: true });
	info = await lmtp.sendMail({ envelope: { from: 'ada@example.test', to: ['bob@example.test', 'nobody@example.test', 'late@example.test', 'eve@example.test'] }, raw: letter });
	assert.deepStrictEqual(info.accepted, ['bob@example.test', 'eve@example.test']);
	assert.deepStrictEqual(info.rejected.sort(), ['late@example.test', 'nobody@example.test']);
}

main().catch(e => {
	console.error(e);
	process.exit(1);
});

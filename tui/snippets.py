"""How to verify a signature, in four languages, with the real header's name."""

from core.domain.signing import SIGNATURE_HEADER

SNIPPETS = {
    "Node": f"""\
const signature = req.headers["{SIGNATURE_HEADER.lower()}"];
const expected = "sha256=" + crypto.createHmac("sha256", secret)
  .update(rawBody).digest("hex");
const ok = signature.length === expected.length && crypto
  .timingSafeEqual(Buffer.from(signature), Buffer.from(expected));""",
    "PHP": f"""\
$rawBody = file_get_contents('php://input');
$signature = $_SERVER['HTTP_{SIGNATURE_HEADER.upper().replace("-", "_")}'];
$expected = 'sha256=' . hash_hmac('sha256', $rawBody, $secret);
$ok = hash_equals($expected, $signature);""",
    "Python": f"""\
signature = request.headers["{SIGNATURE_HEADER}"]
expected = "sha256=" + hmac.new(
    secret.encode(), raw_body, "sha256").hexdigest()
ok = hmac.compare_digest(expected, signature)""",
    "shell": f"""\
# prints what {SIGNATURE_HEADER} must say after "sha256="
openssl dgst -sha256 -hmac "$SECRET" < body.json""",
}

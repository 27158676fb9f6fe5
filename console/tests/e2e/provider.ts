// A small provider of OpenID Connect, on another site than the server (`localhost` is not `127.0.0.1` to a browser): whoever asks
// is the person of the claims. What the server believes of it is tested elsewhere, beside providers that lie.

import { createHash, createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";

type Claims = Record<string, unknown>;

export class Provider {
  issuer = "";
  private readonly keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  private readonly asked = new Map<string, { nonce: string; challenge: string }>();

  private constructor(private readonly server: Server, private readonly claims: Claims) {}

  static async start(claims: Claims): Promise<Provider> {
    const server = createServer();
    const provider = new Provider(server, claims);
    server.on("request", (request, response) => {
      let body = "";
      request.on("data", (piece: Buffer) => (body += piece.toString()));
      request.on("end", () => {
        const url = new URL(request.url ?? "/", provider.issuer);
        const to = url.pathname === "/authorize" ? provider.authorize(url.searchParams) : undefined;
        if (to) return void response.writeHead(302, { location: to }).end();
        const said = provider.answer(url.pathname, new URLSearchParams(body));
        response.writeHead(said ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(said ?? {}));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    const address = server.address();
    provider.issuer = `http://localhost:${typeof address === "object" && address ? address.port : 0}`;
    return provider;
  }

  private authorize(asked: URLSearchParams): string {
    const code = randomUUID();
    this.asked.set(code, { nonce: asked.get("nonce") ?? "", challenge: asked.get("code_challenge") ?? "" });
    const back = new URL(asked.get("redirect_uri") ?? "");
    back.searchParams.set("code", code);
    back.searchParams.set("state", asked.get("state") ?? "");
    return back.href;
  }

  private answer(path: string, form: URLSearchParams): unknown {
    switch (path) {
      case "/.well-known/openid-configuration":
        return {
          issuer: this.issuer, authorization_endpoint: `${this.issuer}/authorize`, token_endpoint: `${this.issuer}/token`, jwks_uri: `${this.issuer}/keys`,
          response_types_supported: ["code"], subject_types_supported: ["public"], id_token_signing_alg_values_supported: ["RS256"], code_challenge_methods_supported: ["S256"],
        };
      case "/keys":
        return { keys: [{ ...this.keys.publicKey.export({ format: "jwk" }), kid: "one", use: "sig", alg: "RS256" }] };
      case "/token": {
        const asked = this.asked.get(form.get("code") ?? "");
        const proof = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
        if (!asked || asked.challenge !== proof) return undefined;
        return { access_token: randomUUID(), token_type: "Bearer", expires_in: 300, id_token: this.token(asked.nonce) };
      }
      default:
        return undefined;
    }
  }

  private token(nonce: string): string {
    const now = Math.floor(Date.now() / 1000);
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const text = `${part({ alg: "RS256", kid: "one", typ: "JWT" })}.${part({ iss: this.issuer, aud: "mainstay", iat: now, exp: now + 300, nonce, ...this.claims })}`;
    return `${text}.${createSign("RSA-SHA256").update(text).sign(this.keys.privateKey, "base64url")}`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

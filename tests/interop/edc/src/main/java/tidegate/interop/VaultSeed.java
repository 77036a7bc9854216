package tidegate.interop;

import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import java.util.Base64;

import org.eclipse.edc.runtime.metamodel.annotation.Inject;
import org.eclipse.edc.spi.EdcException;
import org.eclipse.edc.spi.security.Vault;
import org.eclipse.edc.spi.system.ServiceExtension;
import org.eclipse.edc.spi.system.ServiceExtensionContext;

/**
 * What a data plane of EDC's own needs in the connector's vault, which is in memory here: a pair of keys for the tokens it hands out,
 * made at each start, and the secret of the client by which it asks its backend. Does nothing where no such client is configured.
 */
public class VaultSeed implements ServiceExtension {

    @Inject
    private Vault vault;

    @Override
    public String name() {
        return "Vault seed";
    }

    @Override
    public void initialize(ServiceExtensionContext context) {
        var secret = context.getSetting("tidegate.backend.secret", null);
        if (secret == null) {
            return;
        }
        vault.storeSecret("backend", secret);
        try {
            var generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"));
            var pair = generator.generateKeyPair();
            vault.storeSecret("signer", pem("PRIVATE", pair.getPrivate()));
            vault.storeSecret("verifier", pem("PUBLIC", pair.getPublic()));
        } catch (GeneralSecurityException e) {
            throw new EdcException(e);
        }
    }

    private static String pem(String kind, Key key) {
        var text = Base64.getMimeEncoder(64, new byte[]{'\n'}).encodeToString(key.getEncoded());
        return "-----BEGIN %s KEY-----\n%s\n-----END %s KEY-----\n".formatted(kind, text, kind);
    }
}

package tidegate.interop;

import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Pattern;

import org.eclipse.edc.api.auth.spi.ControlClientAuthenticationProvider;
import org.eclipse.edc.runtime.metamodel.annotation.Provider;
import org.eclipse.edc.spi.EdcException;
import org.eclipse.edc.spi.system.ServiceExtension;
import org.eclipse.edc.spi.system.ServiceExtensionContext;

/**
 * The connector's own token on each call to its data plane: OAuth2 client credentials, asked anew for every call. EDC does so by
 * itself from 0.18 on, where the registration of the data plane names the token endpoint; before, this is the place for it.
 */
public class DataPlaneToken implements ServiceExtension {

    private static final Pattern TOKEN = Pattern.compile("\"access_token\"\\s*:\\s*\"([^\"]+)\"");

    @Override
    public String name() {
        return "Data plane token";
    }

    @Provider
    public ControlClientAuthenticationProvider authentication(ServiceExtensionContext context) {
        var url = context.getSetting("tidegate.token.url", null);
        if (url == null) {
            return Map::of;
        }
        var form = "grant_type=client_credentials&client_id=%s&client_secret=%s".formatted(
                encoded(context.getSetting("tidegate.client.id", "")), encoded(context.getSetting("tidegate.client.secret", "")));
        var request = HttpRequest.newBuilder(URI.create(url))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(form))
                .build();
        var client = HttpClient.newHttpClient();
        return () -> Map.of("Authorization", "Bearer " + token(client, request));
    }

    private static String token(HttpClient client, HttpRequest request) {
        try {
            var response = client.send(request, HttpResponse.BodyHandlers.ofString());
            var token = TOKEN.matcher(response.body());
            if (response.statusCode() != 200 || !token.find()) {
                throw new EdcException("the token endpoint answered " + response.statusCode());
            }
            return token.group(1);
        } catch (IOException e) {
            throw new EdcException("the token endpoint cannot be reached", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new EdcException("interrupted while asking for a token", e);
        }
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}

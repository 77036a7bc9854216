package tidegate.interop;

import org.eclipse.edc.runtime.metamodel.annotation.Inject;
import org.eclipse.edc.spi.system.ServiceExtension;
import org.eclipse.edc.spi.system.ServiceExtensionContext;
import org.eclipse.edc.web.jetty.JettyService;

/** EDC listens on every interface and has no setting for it. A test's connector has no business outside this machine. */
public class LoopbackOnly implements ServiceExtension {

    @Inject
    private JettyService jetty;

    @Override
    public String name() {
        return "Loopback only";
    }

    @Override
    public void initialize(ServiceExtensionContext context) {
        jetty.addConnectorConfigurationCallback(connector -> connector.setHost("127.0.0.1"));
    }
}

package tidegate.interop;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;

import org.eclipse.dataspacetck.dps.system.DpsSystemLauncher;
import org.eclipse.dataspacetck.runtime.TckRuntime;
import org.eclipse.dataspacetck.runtime.filter.DisplayNameFilter;

/**
 * Runs the half of the Data Plane Signaling TCK that judges a data plane, and says in its exit code how that went: 0 all
 * passed, 1 some failed, 2 not run. The kit's own main class ends with 0 whatever happened.
 */
public final class DataPlaneTck {

    private static final String PACKAGES = "dataspacetck.test.package";
    private static final String ALL_PACKAGES = "org.eclipse.dataspacetck.dps.verification.dataplane";
    /** Beginnings of test ids, separated by commas; the kit itself chooses by package and tag only. */
    private static final String TESTS = "tidegate.tests";

    private DataPlaneTck() {
    }

    public static void main(String[] args) throws IOException {
        if (args.length != 2 || !args[0].equals("-config") || !Files.isReadable(Path.of(args[1]))) {
            System.err.println("usage: java -jar dps-tck.jar -config FILE");
            System.exit(2);
        }
        var config = read(Path.of(args[1]));
        var runtime = TckRuntime.Builder.newInstance().properties(config).launcher(DpsSystemLauncher.class);
        list(config.getOrDefault(PACKAGES, ALL_PACKAGES)).forEach(runtime::addPackage);
        if (config.containsKey(TESTS)) {
            runtime.filters(DisplayNameFilter.includeName(name -> list(config.get(TESTS)).anyMatch(name::startsWith)));
        }

        var summary = runtime.build().execute();

        summary.printFailuresTo(new PrintWriter(System.out, true), 12);
        var failed = summary.getTotalFailureCount();
        System.out.printf("%d passed, %d failed%n", summary.getTestsSucceededCount(), failed);
        // The kit leaves threads of its HTTP client behind.
        System.exit(failed == 0 ? 0 : 1);
    }

    /** The file's keys; a system property of the same name (java -Dkey=value) goes before. */
    private static Map<String, String> read(Path file) throws IOException {
        var properties = new Properties();
        try (var reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        }
        properties.putAll(System.getProperties());
        var config = new HashMap<String, String>();
        properties.stringPropertyNames().stream()
                .filter(key -> key.matches("(dataspacetck|tidegate)\\..+|DP_[CP]_[A-Z0-9_]+"))
                .forEach(key -> config.put(key, properties.getProperty(key).trim()));
        return config;
    }

    private static Stream<String> list(String value) {
        return Stream.of(value.split(",")).map(String::trim);
    }
}

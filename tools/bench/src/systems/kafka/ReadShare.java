import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads one client's part of a topic: of every partition the same part of its offsets, so that few partitions do, too. */
public class ReadShare {
    private static final long STALLED_NANOS = 30_000_000_000L;

    public static void main(String[] args) {
        int client = Integer.parseInt(args[2]);
        int clients = Integer.parseInt(args[3]);
        Properties properties = new Properties();
        // As Kafka's own tool has it.
        properties.putAll(Map.of("bootstrap.servers", args[0], "receive.buffer.bytes", "2097152", "check.crcs", "false"));
        for (String pair : List.of(args).subList(4, args.length)) {
            properties.put(pair.split("=")[0], pair.split("=")[1]);
        }
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            var partitions = consumer.partitionsFor(args[1]).stream()
                    .map(one -> new TopicPartition(args[1], one.partition()))
                    .toList();
            Map<TopicPartition, Long> starts = new HashMap<>();
            Map<TopicPartition, Long> ends = new HashMap<>();
            consumer.endOffsets(partitions).forEach((partition, end) -> {
                starts.put(partition, end * client / clients);
                ends.put(partition, end * (client + 1) / clients);
            });
            long startNanos = System.nanoTime();
            long count = read(consumer, starts, ends);
            System.out.printf("{\"records\":%d,\"seconds\":%f}%n", count, (System.nanoTime() - startNanos) / 1e9);
        }
    }

    private static long read(
            KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, Long> positions, Map<TopicPartition, Long> ends) {
        consumer.assign(positions.keySet());
        positions.forEach(consumer::seek);
        var left = new ArrayList<>(positions.keySet());
        left.removeIf(partition -> positions.get(partition) >= ends.get(partition));
        consumer.assign(left);
        long count = 0;
        long lastNanos = System.nanoTime();
        while (!left.isEmpty()) {
            var records = consumer.poll(Duration.ofMillis(100));
            for (var partition : records.partitions()) {
                for (var one : records.records(partition)) {
                    if (one.offset() >= ends.get(partition)) break;
                    if (one.offset() != positions.get(partition)) {
                        throw new IllegalStateException("record " + positions.get(partition) + " did not come");
                    }
                    positions.put(partition, one.offset() + 1);
                    count++;
                }
            }
            if (left.removeIf(partition -> positions.get(partition) >= ends.get(partition))) consumer.assign(left);
            if (!records.isEmpty()) lastNanos = System.nanoTime();
            if (System.nanoTime() - lastNanos > STALLED_NANOS) {
                throw new IllegalStateException("after " + count + " records none came");
            }
        }
        return count;
    }
}

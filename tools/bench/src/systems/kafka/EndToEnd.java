import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes records at a steady rate and reads them, in one process so that one clock times both. Each is due at a time that
 * was fixed before, and its latency counts from there: a system that stalls does not hide it by delaying the load.
 */
public class EndToEnd {
    private static final long STALLED_NANOS = 30_000_000_000L;

    private final String topic;
    private final int valueBytes;
    private final double nanosBetween;
    private final int warmUp;
    private final long[] latencies;
    private final AtomicReference<Exception> failure = new AtomicReference<>();
    private volatile long startNanos;

    private EndToEnd(String topic, int perSecond, int warmUpSeconds, int seconds, int valueBytes) {
        this.topic = topic;
        this.valueBytes = valueBytes;
        nanosBetween = 1e9 / perSecond;
        warmUp = perSecond * warmUpSeconds;
        latencies = new long[warmUp + perSecond * seconds];
        Arrays.fill(latencies, -1);
    }

    public static void main(String[] args) throws Exception {
        int[] numbers = Arrays.stream(args).skip(2).mapToInt(Integer::parseInt).toArray();
        new EndToEnd(args[1], numbers[0], numbers[1], numbers[2], numbers[3]).run(args[0]);
    }

    private void run(String bootstrap) throws Exception {
        Properties producing = new Properties();
        producing.putAll(Map.of("bootstrap.servers", bootstrap, "acks", "all", "linger.ms", "0"));
        Properties consuming = new Properties();
        consuming.putAll(Map.of("bootstrap.servers", bootstrap));
        try (var producer = new KafkaProducer<>(producing, new ByteArraySerializer(), new ByteArraySerializer());
                var consumer = new KafkaConsumer<>(consuming, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            // Connected, both of them, before the first is due.
            var partitions = producer.partitionsFor(topic).stream()
                    .map(one -> new TopicPartition(topic, one.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            partitions.forEach(consumer::position);
            startNanos = System.nanoTime();
            Thread writer = new Thread(() -> write(producer));
            writer.start();
            read(consumer);
            writer.join();
        }
        print();
    }

    private long dueNanos(int index) {
        return startNanos + (long) (index * nanosBetween);
    }

    private void write(KafkaProducer<byte[], byte[]> producer) {
        for (int i = 0; i < latencies.length; i++) {
            for (long left = dueNanos(i) - System.nanoTime(); left > 0; left = dueNanos(i) - System.nanoTime()) {
                LockSupport.parkNanos(left);
            }
            byte[] value = new byte[valueBytes];
            ByteBuffer.wrap(value).putLong(i);
            producer.send(new ProducerRecord<>(topic, value), (metadata, error) -> failure.compareAndSet(null, error));
        }
        producer.flush();
    }

    private void read(KafkaConsumer<byte[], byte[]> consumer) throws Exception {
        long lastNanos = System.nanoTime();
        for (int count = 0; count < latencies.length; ) {
            var records = consumer.poll(Duration.ofMillis(100));
            long now = System.nanoTime();
            for (ConsumerRecord<byte[], byte[]> one : records) {
                int index = (int) ByteBuffer.wrap(one.value()).getLong();
                if (latencies[index] >= 0) throw new IllegalStateException("record " + index + " came twice");
                latencies[index] = now - dueNanos(index);
                lastNanos = now;
                count++;
            }
            if (failure.get() != null) throw failure.get();
            if (now - lastNanos > STALLED_NANOS) {
                throw new IllegalStateException(count + " of " + latencies.length + " records came");
            }
        }
    }

    private void print() {
        long[] sorted = Arrays.copyOfRange(latencies, warmUp, latencies.length);
        Arrays.sort(sorted);
        System.out.printf(
                "{\"records\":%d,\"p50\":%f,\"p99\":%f,\"p999\":%f,\"max\":%f}%n",
                sorted.length, ms(sorted, 0.5), ms(sorted, 0.99), ms(sorted, 0.999), ms(sorted, 1));
    }

    /** The smallest latency that at least so many of all don't exceed. */
    private static double ms(long[] sorted, double quantile) {
        return sorted[(int) Math.ceil(sorted.length * quantile) - 1] / 1e6;
    }
}

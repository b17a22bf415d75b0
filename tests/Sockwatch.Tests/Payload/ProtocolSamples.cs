using System.Text;

namespace Sockwatch.Tests.Payload;

/// <summary>What real programs send first.</summary>
internal static class ProtocolSamples
{
    /// <summary>OpenSSL 3, for www.example.org.</summary>
    public static readonly byte[] ClientHello = Convert.FromBase64String(
        "FgMBAgABAAH8AwODhGrS70KVeWI0jycvDxRagT3116/KflSizZtFvtJnEiB8YVC1t2g4jkpwzVOOd1rIUy74BWK/p+5liTFczsc+ngAkEwITAxMBwCzAMMArwC/Mqcyo"
        + "wCTAKMAjwCcAnwCeAGsAZwD/AQABjwAAABQAEgAAD3d3dy5leGFtcGxlLm9yZwALAAQDAAECAAoAFgAUAB0AFwAeABkAGAEAAQEBAgEDAQQAIwAAABYAAAAXAAAADQAq"
        + "ACgEAwUDBgMIBwgICAkICggLCAQIBQgGBAEFAQYBAwMDAQMCBAIFAgYCACsABQQDBAMDAC0AAgEBADMAJgAkAB0AIDeITrRh/oEBv6iG4FGedDtRekBFpxLDmuu/bzNd"
        + "jv0MABUA3g" + new string('A', 296) + "==");

    public static readonly IReadOnlyList<(string Name, string Version, bool FromClient, byte[] Bytes)> All =
    [
        ("http", "1.1", true, Text("GET /index.html HTTP/1.1\r\nHost: example.org\r\n\r\n")),
        ("http", "1.0", true, Text("POST /a?b=c HTTP/1.0\r\n\r\n")),
        ("http", "1.1", false, Text("HTTP/1.1 200 OK\r\nServer: nginx\r\n")),
        ("http", "2", true, Text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0")),
        ("http", "2", false, [0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 128]),
        ("tls", "", true, ClientHello),
        ("tls", "", false, [22, 3, 3, 0, 122, 2, 0, 0, 118, 3, 3]),
        ("ssh", "2.0", true, Text("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
        ("ssh", "2.0", false, Text("SSH-2.0-dropbear\r\n")),
        ("postgresql", "3.0", true, [0, 0, 0, 41, 0, 3, 0, 0, .. Text("user\0postgres\0database\0shop\0\0")]),
        ("postgresql", "", true, [0, 0, 0, 8, 4, 210, 22, 47]),
        ("postgresql", "", false, [(byte)'R', 0, 0, 0, 23, 0, 0, 0, 10, .. Text("SCRAM-SHA-256\0\0")]),
        ("mysql", "", false, [74, 0, 0, 0, 10, .. Text("8.0.36-0ubuntu0\0"), 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 255, 255]),
        ("mysql", "", true, [180, 0, 0, 1, 133, 166, 255, 25, 0, 0, 0, 1, 255, .. new byte[23], .. Text("root\0")]),
        ("redis", "", true, Text("*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n")),
        ("redis", "", false, Text("-NOAUTH Authentication required.\r\n")),
        ("kafka", "", true, [0, 0, 0, 42, 0, 18, 0, 3, 0, 0, 0, 1, 0, 7, .. Text("rdkafka"), 0, 11, .. Text("librdkafka")]),
        ("kafka", "", true, [0, 0, 0, 37, 0, 3, 0, 9, 0, 0, 0, 0, 0, 10, .. Text("consumer-1"), 0, 0, 0, 0, 0, 0]),
        ("mqtt", "3.1.1", true, [0x10, 0x1b, 0, 4, .. Text("MQTT"), 4, 2, 0, 60, 0, 15, .. Text("mosq-Kz9tQvNpWD")]),
        ("mqtt", "5.0", true, [0x10, 0x81, 0x01, 0, 4, .. Text("MQTT"), 5, 2, 0, 60]),
        ("mqtt", "3.1", true, [0x10, 0x1b, 0, 6, .. Text("MQIsdp"), 3, 2, 0, 60]),
        ("mqtt", "", false, [0x20, 2, 0, 0]),
        ("amqp", "0.9.1", true, [.. Text("AMQP"), 0, 0, 9, 1]),
        ("amqp", "1.0", true, [.. Text("AMQP"), 0, 1, 0, 0]),
        ("amqp", "0.9.1", false, [1, 0, 0, 0, 0, 1, 240, 0, 10, 0, 10, 0, 9]),
        ("dns", "", true, [0, 29, .. Question]),
        ("dns", "", false, [0, 45, .. Answer]),
    ];

    /// <summary>For example.org, type A.</summary>
    public static ReadOnlySpan<byte> Question =>
        [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7, (byte)'e', (byte)'x', (byte)'a', (byte)'m', (byte)'p', (byte)'l', (byte)'e', 3, (byte)'o', (byte)'r', (byte)'g', 0, 0, 1, 0, 1];

    private static ReadOnlySpan<byte> Answer =>
    [
        0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 7, (byte)'e', (byte)'x', (byte)'a', (byte)'m', (byte)'p', (byte)'l', (byte)'e', 3, (byte)'o', (byte)'r', (byte)'g', 0,
        0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1,
    ];

    private static byte[] Text(string text) => Encoding.Latin1.GetBytes(text);
}

<?php
// What the image decides; Nextcloud reads it after its own config.php. A link in /var/lib/nextcloud/config leads here.
$CONFIG = [
    'datadirectory' => '/var/lib/nextcloud/data',
    'apps_paths' => [
        ['path' => '/usr/share/nextcloud/apps', 'url' => '/apps', 'writable' => false],
        ['path' => '/var/lib/nextcloud/apps', 'url' => '/store-apps', 'writable' => true],
    ],
    'memcache.local' => '\\OC\\Memcache\\APCu',
    // The program is the image's.
    'upgrade.disable-web' => true,
    'updatechecker' => false,
    'logfile' => '/var/lib/nextcloud/nextcloud.log',
];

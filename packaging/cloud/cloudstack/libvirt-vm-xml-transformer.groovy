// SPDX-License-Identifier: Apache-2.0
// Agent hook of CloudStack (agent.hooks.libvirt_vm_xml_transformer): completes the XML of
// instances whose detail "extraconfig-vgpu" asks for a vGPU. vgpuctl does the work; what
// goes wrong is logged, and the instance then starts without a vGPU. docs/cloud.md has
// the whole setup.

import java.util.concurrent.TimeUnit

class VGPUTransformer {
    static final String FILTER = System.getProperty('vgpuctl', '/usr/bin/vgpuctl')
    static final long SECONDS = 10

    String transform(Object logger, String xml) {
        if (!xml.contains('urn:libvirt-vgpu')) {
            return xml
        }
        try {
            Process filter = new ProcessBuilder(FILTER, 'domain-xml').start()
            filter.outputStream.withWriter('UTF-8') { it.write(xml) }
            String complete = filter.inputStream.getText('UTF-8')
            String problem = filter.errorStream.getText('UTF-8').trim()
            if (!filter.waitFor(SECONDS, TimeUnit.SECONDS) || filter.exitValue() != 0) {
                filter.destroyForcibly()
                throw new IOException(problem)
            }
            return complete
        } catch (IOException e) {
            logger.error('the instance gets no vGPU: ' + e.message)
            return xml
        }
    }
}

new VGPUTransformer()
